/** `GET /v1/receipts/{receipt_id}`: what was noted of an answer in the audit log. */

import { defineEndpoint, type Call } from '../endpoint.ts';
import { ApiError } from '../http/api-error.ts';
import { RECEIPT_ACTION } from '../receipts/give-receipt.ts';
import { anyReceiptSchema } from '../receipts/any-receipt.ts';

export const retrieveReceipt = defineEndpoint({
  method: 'GET',
  path: '/v1/receipts/{receipt_id}',
  summary: 'The receipt of an answer, without its content.',
  response: anyReceiptSchema,
  async handle({ params, services, caller }: Call<unknown>) {
    const id = params.receipt_id ?? '';
    const { audit } = await services.storage();
    for await (const entry of audit.read({ subject: id, project: caller.project })) {
      if (entry.action === RECEIPT_ACTION) return Response.json(anyReceiptSchema.parse(entry.details));
    }
    throw new ApiError(
      404,
      `No receipt '${id}'. A request asks for one with the header x-steelyard-receipt: 1.`,
      {
        param: 'receipt_id',
        code: 'receipt_not_found',
      },
    );
  },
});

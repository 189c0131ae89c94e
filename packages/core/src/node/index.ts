export {
  checkEgress,
  egressForbidden,
  EgressForbiddenError,
  forbidEgress,
  isThisMachine,
  type EgressRules,
} from './egress.ts';

CREATE TABLE "conversations" (
	"id" text PRIMARY KEY NOT NULL,
	"created_at" bigint NOT NULL,
	"metadata" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "responses" (
	"id" text PRIMARY KEY NOT NULL,
	"status" text NOT NULL,
	"body" text NOT NULL,
	"error" text,
	"previous_id" text,
	"conversation_id" text,
	"conversation_sequence" bigint,
	"server" text NOT NULL
);
--> statement-breakpoint
CREATE INDEX "responses_unfinished" ON "responses" ("server", "status");
--> statement-breakpoint
CREATE TABLE "items" (
	"sequence" bigserial PRIMARY KEY NOT NULL,
	"id" text NOT NULL,
	"response_id" text REFERENCES "responses" ("id") ON DELETE CASCADE,
	"conversation_id" text REFERENCES "conversations" ("id") ON DELETE CASCADE,
	"output" boolean NOT NULL,
	"body" text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX "items_response" ON "items" ("response_id", "id");
--> statement-breakpoint
CREATE UNIQUE INDEX "items_conversation" ON "items" ("conversation_id", "id");
--> statement-breakpoint
CREATE INDEX "items_id" ON "items" ("id");

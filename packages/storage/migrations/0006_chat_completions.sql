CREATE TABLE "chat_completions" (
	"sequence" bigserial PRIMARY KEY NOT NULL,
	"id" text NOT NULL,
	"project" text NOT NULL,
	"model" text NOT NULL,
	"metadata" text NOT NULL,
	"metadata_pairs" text[] NOT NULL,
	"body" text NOT NULL,
	"messages" text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX "chat_completions_id" ON "chat_completions" ("id");
--> statement-breakpoint
CREATE INDEX "chat_completions_project" ON "chat_completions" ("project", "sequence");
--> statement-breakpoint
CREATE INDEX "chat_completions_metadata" ON "chat_completions" USING gin ("metadata_pairs");

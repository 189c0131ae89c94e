CREATE TABLE "vector_stores" (
	"sequence" bigserial PRIMARY KEY NOT NULL,
	"id" text NOT NULL,
	"project" text NOT NULL,
	"name" text NOT NULL,
	"description" text,
	"metadata" text NOT NULL,
	"model" text NOT NULL,
	"expires_days" bigint,
	"created_at" bigint NOT NULL,
	"last_active_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX "vector_stores_id" ON "vector_stores" ("id");
--> statement-breakpoint
CREATE INDEX "vector_stores_project" ON "vector_stores" ("project", "sequence");
--> statement-breakpoint
CREATE TABLE "vector_file_batches" (
	"id" text PRIMARY KEY NOT NULL,
	"store_id" text NOT NULL REFERENCES "vector_stores" ("id") ON DELETE CASCADE,
	"cancelled" boolean NOT NULL,
	"created_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "vector_files" (
	"sequence" bigserial PRIMARY KEY NOT NULL,
	"store_id" text NOT NULL REFERENCES "vector_stores" ("id") ON DELETE CASCADE,
	"file_id" text NOT NULL REFERENCES "files" ("id") ON DELETE CASCADE,
	"batch_id" text REFERENCES "vector_file_batches" ("id") ON DELETE CASCADE,
	"status" text NOT NULL,
	"error" text,
	"attributes" text NOT NULL,
	"chunking" text NOT NULL,
	"usage_bytes" bigint NOT NULL,
	"created_at" bigint NOT NULL,
	"claimed_by" text,
	"claimed_until" bigint
);
--> statement-breakpoint
CREATE UNIQUE INDEX "vector_files_store" ON "vector_files" ("store_id", "file_id");
--> statement-breakpoint
CREATE INDEX "vector_files_batch" ON "vector_files" ("batch_id");
--> statement-breakpoint
CREATE INDEX "vector_files_file" ON "vector_files" ("file_id");
--> statement-breakpoint
CREATE INDEX "vector_files_status" ON "vector_files" ("status", "sequence");
--> statement-breakpoint
CREATE TABLE "vector_chunks" (
	"sequence" bigserial PRIMARY KEY NOT NULL,
	"store_id" text NOT NULL,
	"file_id" text NOT NULL,
	"text" text NOT NULL,
	"embedding" real[] NOT NULL,
	"words" tsvector GENERATED ALWAYS AS (to_tsvector('english', "text")) STORED,
	FOREIGN KEY ("store_id", "file_id") REFERENCES "vector_files" ("store_id", "file_id") ON DELETE CASCADE
);
--> statement-breakpoint
ALTER TABLE "vector_chunks" ALTER COLUMN "embedding" SET STORAGE EXTERNAL;
--> statement-breakpoint
CREATE INDEX "vector_chunks_file" ON "vector_chunks" ("store_id", "file_id");
--> statement-breakpoint
CREATE INDEX "vector_chunks_words" ON "vector_chunks" USING gin ("words");

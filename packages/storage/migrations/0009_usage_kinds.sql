ALTER TABLE "usage" ADD COLUMN "kind" text DEFAULT 'completions' NOT NULL;
--> statement-breakpoint
ALTER TABLE "usage" ALTER COLUMN "kind" DROP DEFAULT;
--> statement-breakpoint
ALTER TABLE "usage" DROP CONSTRAINT "usage_pkey";
--> statement-breakpoint
ALTER TABLE "usage" ADD PRIMARY KEY ("day", "project", "key", "model", "kind");

ALTER TABLE "files" ADD COLUMN "project" text DEFAULT 'default' NOT NULL;
--> statement-breakpoint
ALTER TABLE "files" ALTER COLUMN "project" DROP DEFAULT;
--> statement-breakpoint
ALTER TABLE "conversations" ADD COLUMN "project" text DEFAULT 'default' NOT NULL;
--> statement-breakpoint
ALTER TABLE "conversations" ALTER COLUMN "project" DROP DEFAULT;
--> statement-breakpoint
ALTER TABLE "responses" ADD COLUMN "project" text DEFAULT 'default' NOT NULL;
--> statement-breakpoint
ALTER TABLE "responses" ALTER COLUMN "project" DROP DEFAULT;
--> statement-breakpoint
ALTER TABLE "items" ADD COLUMN "project" text DEFAULT 'default' NOT NULL;
--> statement-breakpoint
ALTER TABLE "items" ALTER COLUMN "project" DROP DEFAULT;
--> statement-breakpoint
DROP INDEX "items_id";
--> statement-breakpoint
CREATE INDEX "items_id" ON "items" ("project", "id");
--> statement-breakpoint
CREATE INDEX "files_project" ON "files" ("project", "sequence");
--> statement-breakpoint
CREATE TABLE "audit_log" (
	"sequence" bigint PRIMARY KEY NOT NULL,
	"time" text NOT NULL,
	"action" text NOT NULL,
	"project" text NOT NULL,
	"actor" text,
	"subject" text,
	"details" text NOT NULL,
	"previous" text NOT NULL,
	"hash" text NOT NULL
);
--> statement-breakpoint
CREATE INDEX "audit_log_subject" ON "audit_log" ("subject");
--> statement-breakpoint
CREATE FUNCTION "refuse_change_of_audit_log"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'audit_log is append-only: % is refused', TG_OP;
END
$$;
--> statement-breakpoint
CREATE TRIGGER "audit_log_append_only" BEFORE UPDATE OR DELETE OR TRUNCATE ON "audit_log"
	FOR EACH STATEMENT EXECUTE FUNCTION "refuse_change_of_audit_log"();

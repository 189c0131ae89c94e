CREATE TABLE "projects" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"created_at" bigint NOT NULL,
	"archived_at" bigint,
	"logs_content" boolean NOT NULL,
	"limits" text NOT NULL
);
--> statement-breakpoint
INSERT INTO "projects" VALUES ('default', 'Default project', extract(epoch from now())::bigint, NULL, false, '{}');
--> statement-breakpoint
CREATE TABLE "api_keys" (
	"id" text PRIMARY KEY NOT NULL,
	"project" text NOT NULL REFERENCES "projects" ("id"),
	"name" text NOT NULL,
	"hash" text NOT NULL UNIQUE,
	"shown" text NOT NULL,
	"scopes" text NOT NULL,
	"limits" text NOT NULL,
	"created_at" bigint NOT NULL,
	"expires_at" bigint,
	"revoked_at" bigint,
	"last_used_at" bigint
);
--> statement-breakpoint
CREATE TABLE "usage" (
	"day" text NOT NULL,
	"project" text NOT NULL,
	"key" text NOT NULL,
	"model" text NOT NULL,
	"requests" bigint NOT NULL,
	"input_tokens" bigint NOT NULL,
	"cached_tokens" bigint NOT NULL,
	"output_tokens" bigint NOT NULL,
	PRIMARY KEY ("day", "project", "key", "model")
);
--> statement-breakpoint
CREATE INDEX "usage_key" ON "usage" ("key", "day");

CREATE INDEX "responses_previous" ON "responses" ("project", "previous_id");

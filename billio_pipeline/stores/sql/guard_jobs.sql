-- DSQL mode, second part: the jobs of asynchronous DDL. Here a job has ended when the statement that starts it returns.

CREATE SCHEMA IF NOT EXISTS sys;
GRANT USAGE ON SCHEMA sys TO PUBLIC;

CREATE TABLE IF NOT EXISTS sys.jobs (
  job_id      text PRIMARY KEY,
  status      text NOT NULL,
  details     text,
  job_type    text NOT NULL,
  class_id    oid,
  object_id   oid,
  object_name text,
  start_time  timestamptz NOT NULL,
  update_time timestamptz NOT NULL
);
GRANT SELECT, INSERT ON sys.jobs TO PUBLIC;
DELETE FROM sys.jobs WHERE update_time < now() - interval '30 minutes';

CREATE OR REPLACE PROCEDURE sys.wait_for_job(job_id text, INOUT succeeded boolean DEFAULT NULL) LANGUAGE plpgsql AS $$
BEGIN
  SELECT j.status = 'completed' INTO succeeded FROM sys.jobs AS j WHERE j.job_id = wait_for_job.job_id;
  IF succeeded IS NULL THEN
    RAISE EXCEPTION 'job % not found', job_id USING ERRCODE = '02000';
  END IF;
END $$;

-- The id in the marker of the running statement, `/* dsql:async <id> */`; a marker written by hand may have none.
CREATE OR REPLACE FUNCTION dsql_guard.marked_job() RETURNS text LANGUAGE sql VOLATILE AS $$
  SELECT CASE WHEN current_query() ~ '/\* dsql:async [a-z0-9 ]*\*/' THEN
           coalesce(substring(current_query() FROM '/\* dsql:async ([a-z0-9]{26}) \*/'),
                    left(replace(gen_random_uuid()::text, '-', ''), 26))
         END
$$;

-- DSQL mode, third part: which statements may define what. Runs last, as it switches the guard on.

CREATE OR REPLACE FUNCTION dsql_guard.refuse(what text, code text DEFAULT '0A000', advice text DEFAULT '')
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%', what USING ERRCODE = code, HINT = advice;
END $$;

-- The text of the running statement without literals, quoted names and comments, for the few things no catalog tells.
CREATE OR REPLACE FUNCTION dsql_guard.bare_query() RETURNS text LANGUAGE sql VOLATILE AS $$
  SELECT regexp_replace(current_query(), '''(?:[^'']|'''')*''|"(?:[^"]|"")*"|/\*.*?\*/|--[^\n]*', ' ', 'g')
$$;

CREATE OR REPLACE FUNCTION dsql_guard.before_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE
  tally bigint[];
BEGIN
  IF current_setting('dsql.guard_at_work', true) = pg_current_xact_id()::text THEN
    RETURN;  -- the guard itself is putting a new table under guard
  END IF;
  IF tg_tag ~ '^(CREATE|ALTER) (ACCESS METHOD|AGGREGATE|CAST|COLLATION|CONVERSION|EXTENSION|FOREIGN|LANGUAGE|MATERIALIZED'
              '|OPERATOR|POLICY|PROCEDURE|PUBLICATION|RULE|SERVER|STATISTICS|SUBSCRIPTION|TEXT SEARCH|TRANSFORM|TRIGGER'
              '|TYPE|USER MAPPING)'
     OR tg_tag IN ('CREATE TABLE AS', 'SELECT INTO', 'REFRESH MATERIALIZED VIEW', 'REINDEX', 'IMPORT FOREIGN SCHEMA') THEN
    PERFORM dsql_guard.refuse('unsupported statement: ' || tg_tag);
  END IF;
  IF tg_tag = 'CREATE INDEX' AND dsql_guard.marked_job() IS NULL THEN
    PERFORM dsql_guard.refuse('unsupported mode. please use CREATE INDEX ASYNC.', advice =>
      'In DSQL mode a plain client writes CREATE INDEX /* dsql:async */ …');
  END IF;
  IF tg_tag = 'CREATE INDEX' AND dsql_guard.bare_query() ~* '\m(ASC|DESC)\M' THEN
    PERFORM dsql_guard.refuse('specifying sort order not supported for index keys');
  END IF;
  IF tg_tag IN ('CREATE INDEX', 'DROP INDEX') AND dsql_guard.bare_query() ~* '\mINDEX\s+CONCURRENTLY\M' THEN
    PERFORM dsql_guard.refuse('unsupported mode: CONCURRENTLY');
  END IF;
  tally := dsql_guard.tally();
  IF tally[4] > 0 THEN
    PERFORM dsql_guard.refuse('multiple ddl statements are not supported in a transaction');
  END IF;
  IF tally[2] > 0 THEN
    PERFORM dsql_guard.refuse('ddl and dml are not supported in the same transaction');
  END IF;
  PERFORM set_config('dsql.tally', ARRAY[tally[1], 0, 0, 1]::text, true);
END $$;

CREATE OR REPLACE FUNCTION dsql_guard.check_table(target oid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  bad text;
BEGIN
  SELECT CASE WHEN c.relpersistence = 't' THEN 'TEMPORARY or TEMP table not supported for CREATE TABLE'
              WHEN c.relpersistence = 'u' THEN 'UNLOGGED table not supported for CREATE TABLE'
              WHEN c.relkind = 'p' OR c.relispartition THEN 'PARTITION BY clause not supported for CREATE TABLE'
              WHEN EXISTS (SELECT FROM pg_inherits WHERE inhrelid = target) THEN 'INHERITS not supported for CREATE TABLE'
         END INTO bad
    FROM pg_class AS c WHERE c.oid = target;
  IF bad IS NOT NULL THEN
    PERFORM dsql_guard.refuse(bad);
  END IF;
  IF EXISTS (SELECT FROM pg_depend AS d JOIN pg_class AS s ON s.oid = d.objid
              WHERE d.refobjid = target AND d.classid = 'pg_class'::regclass AND s.relkind = 'S' AND d.deptype = 'a') THEN
    PERFORM dsql_guard.refuse('type "serial" does not exist', '42704');
  END IF;
  SELECT format_type(a.atttypid, a.atttypmod) INTO bad
    FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
   WHERE a.attrelid = target AND a.attnum > 0 AND NOT a.attisdropped AND t.typtype <> 'd'
     AND t.typname <> ALL ('{int2,int4,int8,float4,float8,numeric,bpchar,varchar,text,date,time,timetz,timestamp,
                             timestamptz,interval,bool,bytea,uuid,json,jsonb}'::text[])
   LIMIT 1;
  IF bad IS NOT NULL THEN
    PERFORM dsql_guard.refuse(format('datatype %s not supported', bad));
  END IF;
  PERFORM dsql_guard.check_index(indexrelid) FROM pg_index WHERE indrelid = target;
  IF (SELECT count(*) FROM pg_index WHERE indrelid = target) > 24 THEN
    PERFORM dsql_guard.refuse('more than 24 indexes per table are not allowed', '54000');
  END IF;
END $$;

CREATE OR REPLACE FUNCTION dsql_guard.check_index(target oid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  bad text;
BEGIN
  SELECT format('access method "%s" not supported', m.amname) INTO bad
    FROM pg_class AS c JOIN pg_am AS m ON m.oid = c.relam WHERE c.oid = target AND m.amname <> 'btree';
  IF bad IS NULL THEN
    SELECT format('datatype %s is not supported in a key', t.typname) INTO bad
      FROM pg_index AS i
      JOIN pg_attribute AS a ON a.attrelid = i.indexrelid AND a.attnum <= i.indnkeyatts
      JOIN pg_type AS t ON t.oid = a.atttypid
     WHERE i.indexrelid = target AND t.typname IN ('json', 'jsonb', 'bytea', 'interval', 'timetz')
     LIMIT 1;
  END IF;
  IF bad IS NOT NULL THEN
    PERFORM dsql_guard.refuse(bad);
  END IF;
END $$;

-- After ALTER TABLE: a constraint the statement has just added or validated must not have been checked on the spot.
CREATE OR REPLACE FUNCTION dsql_guard.check_constraints(target oid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  done text;
BEGIN
  SELECT CASE c.contype WHEN 'f' THEN 'FOREIGN KEY' ELSE 'CHECK' END INTO done
    FROM pg_constraint AS c
   WHERE c.conrelid = target AND c.contype IN ('f', 'c') AND c.convalidated
     AND c.xmin = pg_current_xact_id()::xid
   LIMIT 1;
  IF done IS NULL OR dsql_guard.marked_job() IS NOT NULL THEN
    RETURN;
  ELSIF dsql_guard.bare_query() ~* '\mVALIDATE\M' THEN
    PERFORM dsql_guard.refuse('unsupported mode. please use ALTER TABLE ASYNC ... VALIDATE CONSTRAINT.', advice =>
      'In DSQL mode a plain client writes ALTER TABLE /* dsql:async */ …');
  ELSIF dsql_guard.bare_query() ~* '\mADD\M' THEN
    PERFORM dsql_guard.refuse(format('ALTER TABLE ADD %s is only supported with NOT VALID', done));
  END IF;
END $$;

CREATE OR REPLACE FUNCTION dsql_guard.after_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE
  c record;
  job text;
BEGIN
  IF current_setting('dsql.guard_at_work', true) = pg_current_xact_id()::text THEN
    RETURN;
  END IF;
  FOR c IN SELECT * FROM pg_event_trigger_ddl_commands() LOOP
    IF c.schema_name = 'pg_temp' THEN
      PERFORM dsql_guard.refuse('TEMPORARY or TEMP objects are not supported');
    ELSIF c.object_type = 'table' THEN
      PERFORM dsql_guard.check_table(c.objid);
    ELSIF c.object_type = 'index' AND c.command_tag = 'CREATE INDEX' THEN
      PERFORM dsql_guard.check_table(indrelid) FROM pg_index WHERE indexrelid = c.objid;
    ELSIF c.command_tag = 'CREATE FUNCTION' AND EXISTS (
            SELECT FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
             WHERE p.oid = c.objid AND l.lanname <> 'sql') THEN
      PERFORM dsql_guard.refuse('only functions in language sql are supported');
    END IF;

    IF c.command_tag = 'ALTER TABLE' AND c.object_type = 'table' THEN
      PERFORM dsql_guard.check_constraints(c.objid);
    ELSIF c.command_tag = 'CREATE TABLE' AND c.object_type = 'table' THEN
      PERFORM set_config('dsql.guard_at_work', pg_current_xact_id()::text, true);
      PERFORM dsql_guard.watch(c.objid);
      PERFORM set_config('dsql.guard_at_work', '', true);
    END IF;

    IF c.command_tag IN ('CREATE INDEX', 'ALTER TABLE') THEN
      job := dsql_guard.marked_job();
      IF job IS NOT NULL THEN
        INSERT INTO sys.jobs VALUES (
          job, 'completed', NULL, CASE c.command_tag WHEN 'CREATE INDEX' THEN 'INDEX_BUILD' ELSE 'VALIDATE_CONSTRAINT' END,
          c.classid, c.objid, c.object_identity, transaction_timestamp(), clock_timestamp())
        ON CONFLICT DO NOTHING;
      END IF;
    END IF;
  END LOOP;
END $$;

-- Tables that were there before the guard.
SELECT dsql_guard.watch(c.oid)
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'dsql_guard', 'sys') AND n.nspname !~ '^pg_';

CREATE EVENT TRIGGER dsql_guard_before ON ddl_command_start EXECUTE FUNCTION dsql_guard.before_ddl();
CREATE EVENT TRIGGER dsql_guard_after ON ddl_command_end EXECUTE FUNCTION dsql_guard.after_ddl();

-- DSQL mode, first part: what a transaction may write. Refuses what Aurora DSQL refuses; never rewrites anything.
-- PostgreSQL 15 or later; run as superuser (event triggers), in one transaction. May run again at any time.
--
-- Settings, by SET or ALTER DATABASE … SET; all are off or at DSQL's own value by default:
--   dsql.occ_rate   0 … 1: share of writing transactions that fail at COMMIT with 40001 (OC000)
--   dsql.occ_every  n: every n-th writing transaction of the whole database does
--   dsql.max_age    age from which a transaction is refused; 300 s
--   dsql.lifetime, dsql.drop_rate, dsql.copy   for the connection class: see Faults in dsql_mode.py
-- dsql.tally is the guard's own: what the current transaction has done. It starts with the transaction's id, so that a
-- value from elsewhere, set by hand or left over, is never believed.

DROP EVENT TRIGGER IF EXISTS dsql_guard_before;
DROP EVENT TRIGGER IF EXISTS dsql_guard_after;

CREATE SCHEMA IF NOT EXISTS dsql_guard;
GRANT USAGE ON SCHEMA dsql_guard TO PUBLIC;

-- Without this grant only a superuser may say ALTER DATABASE … SET dsql.…; it holds for the whole server.
DO $$
DECLARE
  setting text;
BEGIN
  FOREACH setting IN ARRAY ARRAY['occ_rate', 'occ_every', 'max_age', 'lifetime', 'drop_rate', 'copy'] LOOP
    IF NOT has_parameter_privilege('public', 'dsql.' || setting, 'SET') THEN
      EXECUTE format('GRANT SET ON PARAMETER dsql.%I TO PUBLIC', setting);
    END IF;
  END LOOP;
END $$;

CREATE SEQUENCE IF NOT EXISTS dsql_guard.commits;  -- a sequence, because it isn't rolled back
GRANT USAGE ON SEQUENCE dsql_guard.commits TO PUBLIC;

-- One row per writing transaction, only there to fire the trigger at COMMIT; emptied whenever the guard is installed.
CREATE UNLOGGED TABLE IF NOT EXISTS dsql_guard.writers ();
GRANT INSERT ON dsql_guard.writers TO PUBLIC;
DELETE FROM dsql_guard.writers;

-- The current transaction's {id, rows, bytes, DDL statements}.
CREATE OR REPLACE FUNCTION dsql_guard.tally() RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
  told text := current_setting('dsql.tally', true);
  mine text := pg_current_xact_id()::text;
BEGIN
  IF told ~ '^\{\d{1,18}(,\d{1,18}){3}\}$' AND (told::bigint[])[1] = mine::bigint THEN
    RETURN told::bigint[];
  END IF;
  RETURN ARRAY[mine::bigint, 0, 0, 0];
END $$;

CREATE OR REPLACE FUNCTION dsql_guard.refuse_old() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  most interval := coalesce(nullif(current_setting('dsql.max_age', true), ''), '300 s');
BEGIN
  IF clock_timestamp() - transaction_timestamp() > most THEN
    RAISE EXCEPTION 'transaction age limit of % exceeded', most USING ERRCODE = '54000';
  END IF;
END $$;

-- Estimated bytes of the index entries of one row: keys, included columns and, as DSQL adds it, the primary key, plus
-- 16 for each entry. SQL text over the columns of relation `target`, for a query FROM its rows.
CREATE OR REPLACE FUNCTION dsql_guard.index_bytes(target oid) RETURNS text LANGUAGE sql STABLE AS $$
  WITH entry AS (
    SELECT i.indexrelid, i.indisprimary, pg_get_expr(i.indpred, i.indrelid) AS holds,
           (SELECT string_agg(format('coalesce(pg_column_size((%s)), 0)', pg_get_indexdef(i.indexrelid, k, false)), ' + ')
              FROM generate_series(1, i.indnatts) AS k) AS width
      FROM pg_index AS i
     WHERE i.indrelid = target
  )
  SELECT coalesce(string_agg(
           format(CASE WHEN e.holds IS NULL THEN '(16 + %1$s)' ELSE 'CASE WHEN %2$s THEN 16 + %1$s ELSE 0 END' END,
                  concat_ws(' + ', e.width, CASE WHEN NOT e.indisprimary THEN p.width END), e.holds),
           ' + '), '0')
    FROM entry AS e
    LEFT JOIN entry AS p ON p.indisprimary
$$;

-- After each statement that wrote rows, COPY included: `d` holds the new rows, or the deleted ones.
CREATE OR REPLACE FUNCTION dsql_guard.after_write() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  tally bigint[] := dsql_guard.tally();
  written bigint;
  size bigint;
BEGIN
  IF tally[4] > 0 THEN
    RAISE EXCEPTION 'ddl and dml are not supported in the same transaction' USING ERRCODE = '0A000';
  END IF;
  SELECT count(*) INTO written FROM d;
  IF written = 0 THEN
    RETURN NULL;
  END IF;
  IF tally[2] + written > 3000 THEN
    RAISE EXCEPTION 'transaction row limit exceeded'
      USING ERRCODE = '54000', DETAIL = format('%s rows; 3000 are allowed.', tally[2] + written);
  END IF;
  PERFORM dsql_guard.refuse_old();
  -- A deleted row costs its index entries and 128 bytes, the least a row is counted as; its values aren't looked at.
  EXECUTE format('SELECT sum(%s + %s) FROM d',
                 CASE WHEN tg_op = 'DELETE' THEN '128' ELSE 'greatest(pg_column_size(d.*), 128)' END,
                 dsql_guard.index_bytes(tg_relid)) INTO size;
  IF tally[2] = 0 THEN
    INSERT INTO dsql_guard.writers DEFAULT VALUES;
  END IF;
  PERFORM set_config('dsql.tally', ARRAY[tally[1], tally[2] + written, tally[3] + size, 0]::text, true);
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION dsql_guard.refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'unsupported statement: Truncate' USING ERRCODE = '0A000';
END $$;

-- At COMMIT of a transaction that wrote rows.
CREATE OR REPLACE FUNCTION dsql_guard.at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  tally bigint[] := dsql_guard.tally();
  every bigint := nullif(current_setting('dsql.occ_every', true), '');
  rate float8 := nullif(current_setting('dsql.occ_rate', true), '');
BEGIN
  IF tally[3] > 10 * 1024 * 1024 THEN
    RAISE EXCEPTION 'transaction size limit 10mb exceeded'
      USING ERRCODE = '54000', DETAIL = format('About %s bytes with index entries.', tally[3]);
  END IF;
  PERFORM dsql_guard.refuse_old();
  IF (every > 0 AND nextval('dsql_guard.commits') % every = 0) OR random() < rate THEN
    RAISE EXCEPTION 'change conflicts with another transaction, please retry: (OC000)' USING ERRCODE = '40001';
  END IF;
  RETURN NULL;
END $$;

DROP TRIGGER IF EXISTS at_commit ON dsql_guard.writers;
CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON dsql_guard.writers
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dsql_guard.at_commit();

-- Put a table under guard.
CREATE OR REPLACE FUNCTION dsql_guard.watch(target oid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  watched text := target::regclass::text;
BEGIN
  EXECUTE format('CREATE OR REPLACE TRIGGER dsql_guard_insert AFTER INSERT ON %s REFERENCING NEW TABLE AS d'
                 ' FOR EACH STATEMENT EXECUTE FUNCTION dsql_guard.after_write()', watched);
  EXECUTE format('CREATE OR REPLACE TRIGGER dsql_guard_update AFTER UPDATE ON %s REFERENCING NEW TABLE AS d'
                 ' FOR EACH STATEMENT EXECUTE FUNCTION dsql_guard.after_write()', watched);
  EXECUTE format('CREATE OR REPLACE TRIGGER dsql_guard_delete AFTER DELETE ON %s REFERENCING OLD TABLE AS d'
                 ' FOR EACH STATEMENT EXECUTE FUNCTION dsql_guard.after_write()', watched);
  EXECUTE format('CREATE OR REPLACE TRIGGER dsql_guard_truncate BEFORE TRUNCATE ON %s'
                 ' FOR EACH STATEMENT EXECUTE FUNCTION dsql_guard.refuse_truncate()', watched);
END $$;

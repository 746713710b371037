-- The sums of older requests are not stored any more: the ledger is read fast enough without them.
DROP TRIGGER spent_before_insert;
DROP TRIGGER spent_before_update;
DROP TRIGGER spent_before_delete;
DROP TABLE spent_before;

-- the bytes of small artifacts: they and the row that names them are one commit, with no file of their own (docs/formats.md)
create table small_blob(
  digest text primary key,
  content bytea not null,
  created bigint not null);

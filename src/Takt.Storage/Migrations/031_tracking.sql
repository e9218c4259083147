-- metric points in blocks: one row for each key of a batch, 24 bytes a point (docs/formats.md)
drop table metric_point;
create table metric_block(
  run text not null references run(id),
  key text not null,
  seq bigint not null,
  points bytea not null,
  primary key(run, key, seq));

create table run_input(
  run text not null references run(id),
  name text not null,
  digest text not null,
  source_type text not null,
  source text not null,
  schema_text text,
  profile text,
  context text,
  tags text not null,
  primary key(run, name, digest));

create table run_output(
  run text not null references run(id),
  model text not null,
  step bigint not null,
  primary key(run, model));

-- artifacts that are no run's: a logged model's, and whatever a client puts at a path of its own
create table artifact_file(
  path text primary key,
  digest text not null,
  size bigint not null,
  created bigint not null);

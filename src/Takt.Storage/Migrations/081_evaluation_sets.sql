-- the questions an application is judged by, with what is expected of its answers
create table evaluation_set(
  id text primary key,
  workspace text not null,
  name text not null,
  digest text not null,
  schema_text text,
  profile text,
  created bigint not null,
  updated bigint not null,
  created_by text,
  updated_by text);
create index evaluation_set_by_time on evaluation_set(workspace, created desc, id);
create table evaluation_set_tag(evaluation_set text not null references evaluation_set(id) on delete cascade, key text not null, value text not null, primary key(evaluation_set, key));
create table evaluation_set_experiment(
  evaluation_set text not null references evaluation_set(id) on delete cascade,
  experiment text not null,
  primary key(evaluation_set, experiment));
create index evaluation_set_by_experiment on evaluation_set_experiment(experiment, evaluation_set);

-- inputs, outputs, expectations, tags and source are JSON; one record for each input, which its hash tells
create table evaluation_record(
  evaluation_set text not null references evaluation_set(id) on delete cascade,
  id text not null,
  input_hash text not null,
  inputs text not null,
  outputs text,
  expectations text,
  tags text,
  source text,
  source_type text,
  source_id text,
  created bigint not null,
  updated bigint not null,
  created_by text,
  updated_by text,
  primary key(evaluation_set, id),
  unique(evaluation_set, input_hash));
create index evaluation_record_by_time on evaluation_record(evaluation_set, created, id);

-- scorers: a judge's definition, as its client wrote it
create table scorer(
  id text primary key,
  experiment bigint not null references experiment(id) on delete cascade,
  name text not null,
  unique(experiment, name));
create table scorer_version(
  scorer text not null references scorer(id) on delete cascade,
  version bigint not null,
  definition text not null,
  created bigint not null,
  primary key(scorer, version));

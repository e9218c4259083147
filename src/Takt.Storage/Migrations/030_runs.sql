create table experiment(
  id bigint primary key,
  workspace text not null,
  name text not null,
  artifact_location text not null,
  lifecycle text not null,
  created bigint not null,
  updated bigint not null,
  unique(workspace, name));

create table experiment_tag(
  experiment bigint not null references experiment(id),
  key text not null,
  value text not null,
  primary key(experiment, key));

create table run(
  id text primary key,
  seq bigint not null unique,
  experiment bigint not null references experiment(id),
  name text not null,
  user_id text not null,
  status text not null,
  lifecycle text not null,
  started bigint not null,
  ended bigint,
  deleted bigint,
  parent text,
  artifact_uri text not null);
create index run_by_experiment on run(experiment, lifecycle, started desc, id);
create index run_by_parent on run(parent);

create table run_param(run text not null references run(id), key text not null, value text not null, primary key(run, key));
create table run_tag(run text not null references run(id), key text not null, value text not null, primary key(run, key));

-- the newest point of each metric, which searches look at
create table run_metric(
  run text not null references run(id),
  key text not null,
  value double precision not null,
  is_nan bigint not null,
  step bigint not null,
  time bigint not null,
  primary key(run, key));

-- every point
create table metric_point(
  run text not null references run(id),
  key text not null,
  step bigint not null,
  time bigint not null,
  value double precision not null,
  is_nan bigint not null,
  primary key(run, key, time, step, value, is_nan));

create table artifact(
  run text not null references run(id),
  path text not null,
  digest text not null,
  size bigint not null,
  created bigint not null,
  primary key(run, path));

create table logged_model(
  id text primary key,
  experiment bigint not null references experiment(id),
  name text not null,
  model_type text not null,
  run text,
  artifact_uri text not null,
  status text not null,
  deleted bigint not null,
  created bigint not null,
  updated bigint not null);
create index logged_model_by_experiment on logged_model(experiment, created desc);

create table logged_model_tag(model text not null references logged_model(id), key text not null, value text not null, primary key(model, key));
create table logged_model_param(model text not null references logged_model(id), key text not null, value text not null, primary key(model, key));

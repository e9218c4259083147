create table model(
  workspace text not null,
  name text not null,
  description text not null,
  created bigint not null,
  updated bigint not null,
  primary key(workspace, name));

create table model_tag(workspace text not null, name text not null, key text not null, value text not null, primary key(workspace, name, key));

create table model_version(
  workspace text not null,
  name text not null,
  version bigint not null,
  run text,
  source text not null,
  status text not null,
  stage text not null,
  description text not null,
  user_id text not null,
  package text,
  package_files text not null,
  code_commit text,
  dataset_commits text not null,
  params text not null,
  metrics text not null,
  created bigint not null,
  updated bigint not null,
  primary key(workspace, name, version));
create index model_version_by_run on model_version(run);

create table model_version_tag(
  workspace text not null, name text not null, version bigint not null, key text not null, value text not null, primary key(workspace, name, version, key));

create table model_alias(workspace text not null, name text not null, alias text not null, version bigint not null, primary key(workspace, name, alias));

-- every change, in order: what webhooks and triggers follow, and who moved which alias when
create table model_event(
  id bigint primary key,
  workspace text not null,
  name text not null,
  version bigint,
  kind text not null,
  detail text not null,
  actor text not null,
  time bigint not null);
create index model_event_by_name on model_event(workspace, name, id);

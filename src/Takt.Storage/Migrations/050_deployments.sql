-- what is desired: a row an endpoint; the revisions and their traffic are decided by the rollout
create table deployment(
  endpoint text primary key,
  spec text not null,
  live bigint,
  created bigint not null,
  updated bigint not null);

create table revision(
  endpoint text not null,
  number bigint not null,
  model text,
  spec text not null,
  created bigint not null,
  primary key(endpoint, number));

create table rollout(
  endpoint text not null,
  number bigint not null,
  revision bigint not null,
  champion bigint,
  state text not null,
  step bigint not null,
  step_started bigint,
  evidence text not null,
  created bigint not null,
  updated bigint not null,
  primary key(endpoint, number));

create table rollout_event(
  endpoint text not null,
  rollout bigint not null,
  seq bigint not null,
  kind text not null,
  detail text not null,
  time bigint not null,
  primary key(endpoint, rollout, seq));

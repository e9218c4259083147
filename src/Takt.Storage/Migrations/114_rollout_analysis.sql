-- from when on a rollout is judged, and which answers are slow in it (ms)
alter table rollout add column judged_from bigint;
alter table rollout add column over_ms double precision;

-- what each server has counted of the two revisions in a step; the rows of all servers and steps add up
create table rollout_count(
  endpoint text not null,
  rollout bigint not null,
  step bigint not null,
  server text not null,
  body text not null,
  updated bigint not null,
  primary key(endpoint, rollout, step, server));

-- the evidence over time, and as it was with each verdict
create table rollout_look(
  endpoint text not null,
  rollout bigint not null,
  seq bigint not null,
  step bigint not null,
  kind text not null,
  body text not null,
  time bigint not null,
  primary key(endpoint, rollout, seq));

-- which server drives an endpoint's rollout
create table rollout_lease(
  endpoint text primary key,
  owner text not null,
  until bigint not null);

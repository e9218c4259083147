-- servers that serve models: each counts its beats, so that the others see that it lives without comparing clocks
create table replica(
  name text primary key,
  beats bigint not null,
  started bigint not null,
  seen bigint not null);

-- which revisions a replica can answer for; fault: why it could not load one
create table replica_revision(
  replica text not null,
  endpoint text not null,
  revision bigint not null,
  fault text,
  updated bigint not null,
  primary key(replica, endpoint, revision));

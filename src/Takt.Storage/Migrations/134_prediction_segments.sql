-- the parts of all servers' prediction logs; the bytes are in the store. digest null: merged into a later one, kept so that its writer, back after a crash, does not add it again
create table prediction_segment(
  endpoint text not null,
  name text not null,
  server text not null,
  kind text not null,
  digest text,
  bytes bigint not null,
  rows bigint not null,
  received_from bigint not null,
  received_to bigint not null,
  time_from bigint not null,
  time_to bigint not null,
  created bigint not null,
  primary key(endpoint, name));
create index prediction_segment_live on prediction_segment(endpoint, kind, received_to) where digest is not null;

create table gate_result(
  run text not null,
  gate text not null,
  seq bigint not null,
  rule text not null,
  verdict text not null,
  left_value double precision,
  right_value double precision,
  reason text not null,
  champion text,
  time bigint not null,
  primary key(run, gate, seq));
create index gate_result_by_time on gate_result(time);

-- what searches and writes of runs need to stay fast at 100,000 runs: rows of one run together, metrics in the order of their value
--sqlite
-- without rowid: a row lies in its primary key's tree, so that those of one run are neighbours and there is no second tree to write
create table run_param_033(run text not null, key text not null, value text not null, primary key(run, key)) without rowid;
insert into run_param_033(run, key, value) select run, key, value from run_param;
drop table run_param;
alter table run_param_033 rename to run_param;

create table run_tag_033(run text not null, key text not null, value text not null, primary key(run, key)) without rowid;
insert into run_tag_033(run, key, value) select run, key, value from run_tag;
drop table run_tag;
alter table run_tag_033 rename to run_tag;

create table run_metric_033(
  run text not null,
  key text not null,
  value double precision not null,
  is_nan bigint not null,
  step bigint not null,
  time bigint not null,
  experiment bigint not null,
  primary key(run, key)) without rowid;
insert into run_metric_033(run, key, value, is_nan, step, time, experiment)
  select m.run, m.key, m.value, m.is_nan, m.step, m.time, r.experiment from run_metric m join run r on r.id = m.run;
drop table run_metric;
alter table run_metric_033 rename to run_metric;

create table metric_block_033(run text not null, key text not null, seq bigint not null, points bytea not null, primary key(run, key, seq)) without rowid;
insert into metric_block_033(run, key, seq, points) select run, key, seq, points from metric_block;
drop table metric_block;
alter table metric_block_033 rename to metric_block;
--end
--postgresql
alter table run_metric add column experiment bigint not null default 0;
update run_metric set experiment = (select r.experiment from run r where r.id = run_metric.run);
-- numbers that many servers take at once without waiting for each other
create sequence run_seq;
select setval('run_seq', (select coalesce(max(seq), 0) + 1 from run), false);
create sequence metric_block_seq;
select setval('metric_block_seq', (select coalesce(max(seq), 0) + 1 from metric_block), false);
--end
create index run_metric_by_value on run_metric(experiment, key, is_nan, value, run);

-- models that a run read
create table run_model_input(run text not null references run(id), model text not null, primary key(run, model));

-- every point of a logged model's metrics, each perhaps on a dataset; dataset_name and dataset_digest are empty when it is on none
create table logged_model_metric(
  model text not null references logged_model(id),
  key text not null,
  time bigint not null,
  step bigint not null,
  value double precision not null,
  is_nan bigint not null,
  run text not null,
  dataset_name text not null,
  dataset_digest text not null,
  primary key(model, key, time, step, run, dataset_name, dataset_digest, value, is_nan));

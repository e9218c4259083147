-- work that one of several servers does at a time: 'trigger/17', 'refresh/data.orders', 'run/ID', 'garbage'; 'vanished/ID' is a run that another server ended, for its own folder to clean up
create table lease(
  name text primary key,
  owner text not null,
  until bigint not null);   -- when the owner counts as dead
alter table data_refresh drop column owner;
alter table data_refresh drop column until;

-- how many servers were gone in the midst of it
alter table trigger_event add column deaths bigint not null default 0;

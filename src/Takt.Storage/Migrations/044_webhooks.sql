-- who is told of what happens in the registry
create table webhook(
  id text primary key,
  workspace text not null,
  name text not null,
  description text,
  url text not null,
  events text not null,       -- ' model_version.created prompt.created ', a blank on both sides of each
  secret bytea,               -- encrypted; null: deliveries are not signed
  status text not null,
  dropped bigint not null,    -- events that found the queue full, or gave up
  last_error text not null,   -- of the newest delivery that gave up
  created bigint not null,
  updated bigint not null);
create index webhook_by_workspace on webhook(workspace, created desc, id);

-- what is still to be delivered: written with the change that it tells of, gone once it was taken
create table webhook_delivery(
  id text primary key,
  webhook text not null references webhook(id) on delete cascade,
  event text not null,
  body text not null,
  attempts bigint not null,
  due bigint not null,
  created bigint not null);
create index webhook_delivery_by_due on webhook_delivery(due);

-- what was copied from another tracking server or folder, so that an import goes on where it was stopped
create table import_item(
  source text not null,
  kind text not null,        -- experiment, run, logged-model, model
  id text not null,          -- as the source calls it
  target text not null,      -- as it is called here
  mark text not null,        -- of the source's state then: another mark, and it is copied again
  imported bigint not null,
  primary key(source, kind, id));
create index import_item_by_target on import_item(kind, target);

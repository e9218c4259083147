-- since when an endpoint is not served on purpose, its revisions kept; null: it is
alter table deployment add column stopped bigint;

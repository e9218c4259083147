-- versions that came from a remote without all of their content: what is missing is no damage, and can be fetched
alter table dataset_commit add column partial bigint not null default 0;

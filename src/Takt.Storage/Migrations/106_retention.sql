-- Which versions of a dataset gc keeps. Without a row: all that its refs lead to.
create table dataset_retention(
    dataset text primary key references dataset(name),
    keep_last bigint,           -- newest versions of each branch
    keep_for bigint,            -- ms since the version was made
    set_at bigint not null
);
-- when gc gave a version's files free; the row stays, for the log
alter table dataset_commit add column dropped bigint;

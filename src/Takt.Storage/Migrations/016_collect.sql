-- How far a version's source had been read, in the source's own words: part of the commit, so that a ref that goes back takes the cursor with it.
alter table dataset_commit add column cursor text;
-- What each check of a dataset found; the newest of a commit counts.
create table dataset_check(
    dataset text not null,
    seq bigint not null,            -- 1, 2, 3 … per dataset
    commit_id text,                 -- null: the version was refused, there is no commit
    tree text,
    at bigint not null,
    failed bigint not null,
    warned bigint not null,
    passed bigint not null,
    results text not null,          -- JSON (docs/formats.md)
    primary key (dataset, seq)
);

-- The store: which packs there are. What lies in them stands in their indexes, never in rows.
create table pack(
    id text primary key,
    state text not null,        -- live, quarantine
    records bigint not null,
    bytes bigint not null,
    created bigint not null,
    since bigint not null       -- when it came into this state
);
-- whole blobs that are about to be removed
create table blob_quarantine(id text primary key, since bigint not null);
-- sessions that bring content in: what they found is not removed under them
create table store_lease(
    id text primary key,
    purpose text not null,
    owner text not null,
    opened bigint not null,
    beat bigint not null
);
-- versions are numbered as they come: NAME@v12
alter table dataset_commit add column version bigint not null default 0;
update dataset_commit set version = (select count(*) from dataset_commit c where c.dataset = dataset_commit.dataset
    and (c.time < dataset_commit.time or (c.time = dataset_commit.time and c.id <= dataset_commit.id)));
create unique index dataset_commit_version on dataset_commit(dataset, version);
-- branches move, tags stay
alter table dataset_ref add column kind text not null default 'branch';
-- trees that a pointer in the work tree named: kept although no commit has them
create table dataset_pin(
    tree text not null,
    path text not null,
    pinned bigint not null,
    primary key (tree, path)
);

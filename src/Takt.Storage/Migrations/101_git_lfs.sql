-- git-lfs: which content the repositories need, and the files that somebody has locked
create table lfs_object(
    repository text not null,
    oid text not null,          -- sha256:…: keeps the content from gc
    size bigint not null,
    added bigint not null,
    primary key (repository, oid)
);
create table lfs_lock(
    repository text not null,
    path text not null,
    id text not null,
    owner text not null,
    locked_at bigint not null,
    primary key (repository, path)
);
create unique index lfs_lock_id on lfs_lock(repository, id);

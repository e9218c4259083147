-- Datasets: commits never change; refs move by compare-and-swap, every move is kept in the reflog.
create table dataset(
    name text primary key,
    created_at bigint not null
);
create table dataset_commit(
    dataset text not null references dataset(name),
    id text not null,
    tree text not null,
    parents text not null,      -- JSON array of ids
    author text not null,
    time bigint not null,
    message text not null,
    source text not null,
    files bigint not null,
    bytes bigint not null,
    "rows" bigint,
    profile text,
    primary key (dataset, id)
);
create table dataset_ref(
    dataset text not null references dataset(name),
    name text not null,
    target text not null,
    moved_at bigint not null,
    primary key (dataset, name)
);
create table dataset_reflog(
    dataset text not null,
    ref text not null,
    step bigint not null,       -- 1, 2, 3 … per ref
    before text,
    after text not null,
    at bigint not null,
    reason text not null,
    primary key (dataset, ref, step)
);

-- under which MD5 DVC knew content; it keeps nothing in the store
create table content_md5(
    md5 text not null primary key,
    id text not null
);

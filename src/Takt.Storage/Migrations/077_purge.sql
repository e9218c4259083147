-- blobs whose last known row was purged: their bytes go when the grace has passed and nothing else names them
create table purged_blob(digest text primary key, purged bigint not null);

-- What this database is, so that a foreign file is refused and a newer one is named.
create table takt(key text primary key, value text not null);
insert into takt(key, value) values('format', '1');

-- The parts of a server that teams have to themselves. Every table with a column `workspace` belongs to one, by its name.
create table workspace(
  name text primary key,
  description text,
  artifact_root text,
  created bigint not null);
insert into workspace(name, description, artifact_root, created) values('default', null, null, 0);

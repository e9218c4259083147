-- what a key gave: the outputs by content, and what was said of it
create table stage_result(
  key text primary key,
  stage text not null,
  outputs text not null,
  metrics text not null,
  tags text not null,
  summary text not null,
  created bigint not null);

-- the parts of each stage's newest key, for `takt why`
create table stage_key(stage text primary key, key text not null, parts text not null, updated bigint not null);

-- each stage of each pipeline run
create table stage_run(
  pipeline_run text not null,
  stage text not null,
  seq bigint not null,
  state text not null,
  key text,
  run text,
  started bigint,
  ended bigint,
  summary text not null,
  outputs text not null,
  primary key(pipeline_run, stage));

-- content of files by their stat, so that what did not change is not read again
create table file_digest(
  path text primary key,
  size bigint not null,
  mtime bigint not null,
  ctime bigint not null,
  inode bigint not null,
  digest text not null);

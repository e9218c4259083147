-- a large artifact on its way in parts (docs/formats.md): gone with its parts when it is aborted, or a day after the last of them came
create table artifact_upload(
  id text primary key,
  path text not null,
  parts bigint not null,
  bucket_upload text,          -- the bucket's own id of it: its parts go past the server
  digest text,                 -- once it is complete: asked to complete it again, the answer is the same
  created bigint not null,
  touched bigint not null);
create table artifact_upload_part(
  upload text not null references artifact_upload(id),
  part bigint not null,
  object text not null,        -- the file in the store
  digest text not null,
  size bigint not null,
  primary key(upload, part));

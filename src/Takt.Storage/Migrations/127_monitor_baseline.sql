-- What a monitor compares a version's predictions with where there is no training profile: the profile of the version's first predictions, kept as it was when they were complete.
create table monitor_baseline(
  monitor text not null,
  model text not null,
  taken_of text not null, -- 'first 1000 predictions', 'first 7.00:00:00'
  profile text not null, -- docs/formats.md, columns in_NAME and out_NAME
  rows bigint not null,
  until bigint not null, -- windows that begin before it are part of the baseline
  created bigint not null,
  primary key(monitor, model, taken_of));

-- one row a window of event time; judged when the window has passed, and again when its labels are there
create table monitor_window(
  monitor text not null,
  start_time bigint not null,
  end_time bigint not null,
  rows bigint not null,
  labelled bigint not null,
  model text not null,
  drift text not null,
  performance text not null,
  verdict text not null,
  updated bigint not null,
  primary key(monitor, start_time));

create table alert(
  id bigint primary key,
  monitor text not null,
  window_start bigint not null,
  kind text not null,
  message text not null,
  evidence text not null,
  created bigint not null,
  unique(monitor, window_start, kind));

-- what is to start a pipeline, once
create table trigger_event(
  id bigint primary key,
  kind text not null,
  monitor text not null,
  alert bigint not null,
  event_time bigint not null,
  state text not null,
  run text,
  outcome text not null,
  created bigint not null,
  updated bigint not null);

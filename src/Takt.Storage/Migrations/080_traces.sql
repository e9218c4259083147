-- what an application did, span by span; a trace goes with its experiment, all the rest with its trace
create table trace(
  id text primary key,
  workspace text not null,
  experiment bigint not null references experiment(id) on delete cascade,
  client_request text,
  request_preview text,
  response_preview text,
  started bigint not null,
  duration bigint,
  state text not null,
  -- 1: a client has told the trace's own facts; later spans no longer change its times and token counts
  told bigint not null);
create index trace_by_experiment on trace(experiment, started desc, id);
create index trace_by_client_request on trace(client_request, experiment);

create table trace_tag(trace text not null references trace(id) on delete cascade, key text not null, value text not null, primary key(trace, key));
create index trace_tag_by_value on trace_tag(key, substr(value, 1, 100), trace);
create table trace_metadata(trace text not null references trace(id) on delete cascade, key text not null, value text not null, primary key(trace, key));
create index trace_metadata_by_value on trace_metadata(key, substr(value, 1, 100), trace);

-- content is the whole span as JSON (docs/formats.md); the other columns are what searches look at. Times are nanoseconds since 1970.
create table trace_span(
  trace text not null references trace(id) on delete cascade,
  id text not null,
  parent text,
  name text not null,
  type text,
  status text not null,
  started bigint not null,
  ended bigint,
  content text not null,
  primary key(trace, id));
create index trace_span_by_name on trace_span(substr(name, 1, 100), trace);
create index trace_span_by_type on trace_span(substr(type, 1, 100), trace);
create index trace_span_failed on trace_span(trace) where status = 'ERROR';

-- to runs and prompt versions (NAME/VERSION)
create table trace_link(
  trace text not null references trace(id) on delete cascade,
  kind text not null,
  target text not null,
  primary key(trace, kind, target));
create index trace_link_by_target on trace_link(kind, target, trace);

-- value is JSON; value_text the same without the quotes of a text, for searches
create table assessment(
  id text primary key,
  trace text not null references trace(id) on delete cascade,
  kind text not null,
  name text not null,
  value text not null,
  value_text text not null,
  error text,
  created bigint not null,
  updated bigint not null,
  source_type text not null,
  source text,
  span text,
  rationale text,
  overrides text,
  valid bigint not null,
  metadata text);
create index assessment_by_trace on assessment(trace, created, id);
create index assessment_by_name on assessment(kind, name, trace);

-- how often a scorer judges the traces that come in, and which of them
create table online_scoring(
  scorer text primary key references scorer(id) on delete cascade,
  id text not null,
  sample_rate double precision not null,
  filter text);

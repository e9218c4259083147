-- assessments of one millisecond stay in the order in which they came
alter table assessment add column seq bigint not null default 0;

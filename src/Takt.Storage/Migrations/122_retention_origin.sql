-- where a rule was set: 'takt.yaml', which takes it back when it no longer says so, or '' by hand
alter table dataset_retention add column origin text not null default '';

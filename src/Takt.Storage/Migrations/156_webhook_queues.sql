-- which delivery of a webhook is the next, and how many wait
create index webhook_delivery_by_webhook on webhook_delivery(webhook, created, id);

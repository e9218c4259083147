using Takt.Cli;

return await CommandLine.Run(args);

using Takt.Cli;

MallocArenas.Limit();
return await CommandLine.Run(args);

namespace Takt.Runs;

/// <summary>Names for runs that nobody named: <c>calm-otter-417</c>.</summary>
public static class RunNames
{
    static readonly string[] Adjectives =
    [
        "able", "amused", "bold", "brave", "bright", "calm", "capable", "clean", "clever", "crisp", "eager", "fast", "fearless", "gentle", "gifted",
        "glad", "honest", "kind", "lively", "loud", "merry", "mild", "neat", "nimble", "patient", "polite", "proud", "quiet", "rare", "rapid",
        "serious", "shy", "silent", "sincere", "smooth", "steady", "swift", "tidy", "vivid", "wise",
    ];

    static readonly string[] Nouns =
    [
        "ant", "badger", "bat", "bear", "bee", "bird", "carp", "cod", "colt", "crab", "crane", "crow", "deer", "dove", "duck", "eel", "elk", "finch",
        "fox", "frog", "goat", "goose", "hare", "hawk", "heron", "hound", "jay", "lark", "lynx", "mole", "moth", "otter", "owl", "perch", "seal",
        "shrew", "stork", "swan", "trout", "wren",
    ];

    public static string Next() => $"{Adjectives[Random.Shared.Next(Adjectives.Length)]}-{Nouns[Random.Shared.Next(Nouns.Length)]}-{Random.Shared.Next(1000)}";
}

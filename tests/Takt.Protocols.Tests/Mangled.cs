using System.Text;

namespace Takt.Protocols.Tests;

/// <summary>Requests with one to four faults: bytes turned, cut, doubled or put in.</summary>
static class Mangled
{
    static readonly byte[][] Pieces = [.. ((string[])["-1", "999999999999", "[", "]", "null", "1e999", "\"", "{}", ",", "\\ud800"]).Select(Encoding.UTF8.GetBytes)];

    public static byte[] Of(byte[] seed, Random random)
    {
        var body = seed.ToList();
        for (var n = random.Next(4); n >= 0; n--)
        {
            var at = random.Next(body.Count);
            switch (random.Next(6))
            {
                case 0: body[at] = (byte)random.Next(256); break;
                case 1: body[at] ^= (byte)(1 << random.Next(8)); break;
                case 2: body.RemoveRange(at, Math.Min(random.Next(20), body.Count - at)); break;
                case 3: body.InsertRange(at, body.GetRange(at, Math.Min(random.Next(30), body.Count - at))); break;
                case 4: body.InsertRange(at, Pieces[random.Next(Pieces.Length)]); break;
                default: if (random.Next(8) == 0) body.RemoveRange(at, body.Count - at); break;
            }
            if (body.Count == 0) body.Add((byte)'{');
        }
        return [.. body];
    }
}

using Takt.Storage;
using Takt.Storage.Packs;

namespace Takt.Data.Dvc;

/// <summary>Under which MD5 DVC knew content: a file, or with <c>.dir</c> behind it a folder, whose tree is meant. What is in the store is found by it, so that nothing is brought in twice. It keeps nothing there.</summary>
sealed class Md5Names(Database database)
{
    public ContentId? Find(string md5, bool legacy) => database.Read(session => session.Text($"select id from content_md5 where md5 = {Key(md5, legacy)}")) is { } id ? ContentId.From(Digest.Parse(id)) : null;

    public static void Add(SqlSession session, string md5, bool legacy, ContentId id) =>
        session.Execute($"insert into content_md5(md5, id) values({Key(md5, legacy)}, {id.Digest}) on conflict (md5) do update set id = excluded.id");

    // DVC 2's MD5 of a text is that of other bytes
    static string Key(string md5, bool legacy) => legacy ? "dos2unix:" + md5 : md5;
}

using Takt.Data;
using Takt.Models;

namespace Takt.Deployments;

/// <param name="Id">Of the prediction; row n is <c>ID:n</c>.</param>
public sealed record Answer(string Id, Revision Revision, Signature Signature, Table Outputs);

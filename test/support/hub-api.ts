// Generated from the hub’s OpenAPI document: G8UFS_UPDATE_GOLDEN=1 with openapi.test.js writes it anew.

export interface paths {
  "/api-docs/block-api.json": {
    get: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": unknown } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api-docs/file-api.json": {
    get: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": unknown } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api-docs/openapi.json": {
    get: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": unknown } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api-docs/website-api.json": {
    get: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": unknown } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/fileslist": {
    get: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { [name: string]: (components['schemas']['ListedItem'])[] } } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
  };
  "/api/flist": {
    get: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": (string)[] } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
  };
  "/api/flist/me": {
    get: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "status": "success"; "payload": { "username": string } } } };
        401: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
  };
  "/api/flist/me/docker": {
    post: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      requestBody: { content: { "application/x-www-form-urlencoded": { "image": string } } };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "status": "success"; "payload": { "name": string; "files": { "success": boolean; "error": null; "response": components['schemas']['Statistics']; "status": number } } } } };
        400: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        413: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
  };
  "/api/flist/me/merge/{target}": {
    post: {
      parameters: {
        query?: never;
        path: { "target": string };
        header?: never;
        cookie?: never;
      };
      requestBody: { content: { "application/json": (string)[] } };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Done'] } };
        400: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        413: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
  };
  "/api/flist/me/promote/{repository}/{source}/{localname}": {
    get: {
      parameters: {
        query?: never;
        path: { "repository": string; "source": string; "localname": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "status": "success"; "payload": { "source": { "username": string; "filename": string }; "destination": { "username": string; "filename": string } } } } };
        401: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
    post: {
      parameters: {
        query?: never;
        path: { "repository": string; "source": string; "localname": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "status": "success"; "payload": { "source": { "username": string; "filename": string }; "destination": { "username": string; "filename": string } } } } };
        401: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
    put: {
      parameters: {
        query?: never;
        path: { "repository": string; "source": string; "localname": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "status": "success"; "payload": { "source": { "username": string; "filename": string }; "destination": { "username": string; "filename": string } } } } };
        401: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
  };
  "/api/flist/me/upload": {
    post: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      requestBody: { content: { "multipart/form-data": { "file": string } } };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "status": "success"; "payload": { "name": string; "files": { "success": boolean; "error": null; "response": components['schemas']['Statistics']; "status": number } } } } };
        400: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        413: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
  };
  "/api/flist/me/upload-flist": {
    post: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      requestBody: { content: { "multipart/form-data": { "file": string } } };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "status": "success"; "payload": { "name": string; "files": { "success": boolean; "error": null; "response": components['schemas']['Contents']; "status": number } } } } };
        400: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        413: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
  };
  "/api/flist/me/{flist}": {
    get: {
      parameters: {
        query?: never;
        path: { "flist": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Contents'] } };
        401: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
    delete: {
      parameters: {
        query?: never;
        path: { "flist": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Done'] } };
        401: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
  };
  "/api/flist/me/{linkname}/crosslink/{repository}/{source}": {
    get: {
      parameters: {
        query?: never;
        path: { "linkname": string; "repository": string; "source": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Done'] } };
        401: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
    post: {
      parameters: {
        query?: never;
        path: { "linkname": string; "repository": string; "source": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Done'] } };
        401: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
    put: {
      parameters: {
        query?: never;
        path: { "linkname": string; "repository": string; "source": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Done'] } };
        401: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
  };
  "/api/flist/me/{linkname}/crosstag/{repository}/{tag}": {
    get: {
      parameters: {
        query?: never;
        path: { "linkname": string; "repository": string; "tag": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Done'] } };
        401: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
    post: {
      parameters: {
        query?: never;
        path: { "linkname": string; "repository": string; "tag": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Done'] } };
        401: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
    put: {
      parameters: {
        query?: never;
        path: { "linkname": string; "repository": string; "tag": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Done'] } };
        401: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
    delete: {
      parameters: {
        query?: never;
        path: { "linkname": string; "repository": string; "tag": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Done'] } };
        401: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
  };
  "/api/flist/me/{source}/link/{linkname}": {
    get: {
      parameters: {
        query?: never;
        path: { "source": string; "linkname": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Done'] } };
        401: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
    post: {
      parameters: {
        query?: never;
        path: { "source": string; "linkname": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Done'] } };
        401: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
    put: {
      parameters: {
        query?: never;
        path: { "source": string; "linkname": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Done'] } };
        401: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
  };
  "/api/flist/me/{source}/rename/{destination}": {
    get: {
      parameters: {
        query?: never;
        path: { "source": string; "destination": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Done'] } };
        401: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
    post: {
      parameters: {
        query?: never;
        path: { "source": string; "destination": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Done'] } };
        401: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
    put: {
      parameters: {
        query?: never;
        path: { "source": string; "destination": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Done'] } };
        401: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
  };
  "/api/flist/me/{tag}/{name}/tag/{repository}/{flist}": {
    get: {
      parameters: {
        query?: never;
        path: { "tag": string; "name": string; "repository": string; "flist": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Done'] } };
        401: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
    post: {
      parameters: {
        query?: never;
        path: { "tag": string; "name": string; "repository": string; "flist": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Done'] } };
        401: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
    put: {
      parameters: {
        query?: never;
        path: { "tag": string; "name": string; "repository": string; "flist": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Done'] } };
        401: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
    delete: {
      parameters: {
        query?: never;
        path: { "tag": string; "name": string; "repository": string; "flist": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Done'] } };
        401: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
  };
  "/api/flist/{repository}": {
    get: {
      parameters: {
        query?: never;
        path: { "repository": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": (components['schemas']['ListedItem'])[] } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
  };
  "/api/flist/{repository}/tags/{tag}": {
    get: {
      parameters: {
        query?: never;
        path: { "repository": string; "tag": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": (components['schemas']['ListedItem'])[] } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
  };
  "/api/flist/{repository}/{flist}": {
    get: {
      parameters: {
        query?: never;
        path: { "repository": string; "flist": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Contents'] } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
  };
  "/api/flist/{repository}/{flist}/light": {
    get: {
      parameters: {
        query?: never;
        path: { "repository": string; "flist": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['FlistInfo'] } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
  };
  "/api/flist/{repository}/{flist}/metadata": {
    get: {
      parameters: {
        query?: never;
        path: { "repository": string; "flist": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Settings'] } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
  };
  "/api/flist/{repository}/{flist}/taglink": {
    get: {
      parameters: {
        query?: never;
        path: { "repository": string; "flist": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "target": string } } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
  };
  "/api/openapi.json": {
    get: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": unknown } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/repositories": {
    get: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": ({ "name": string; "official": boolean; "updated": number })[] } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
  };
  "/api/v1": {
    get: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "hub": "g8ufs"; "version": number; "features": (string)[] } } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/audit": {
    get: {
      parameters: {
        query?: { "after"?: string };
        path?: never;
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "lines": ({ "time": string; "user"?: string; "token"?: string; "address": string; "action": string; "target": string })[]; "next"?: string } } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/block": {
    post: {
      parameters: {
        query?: { "file_hash"?: string; "idx"?: number };
        path?: never;
        header?: never;
        cookie?: never;
      };
      requestBody: { content: { "application/octet-stream": unknown } };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "hash": string; "message": string } } };
        201: { headers: { [name: string]: unknown }; content: { "application/json": { "hash": string; "message": string } } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/block/verify": {
    post: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      requestBody: { content: { "application/json": { "blocks": ({ "block_hash": string; "file_hash"?: string; "block_index"?: number })[] } } };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "missing": (string)[] } } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/block/{hash}": {
    get: {
      parameters: {
        query?: never;
        path: { "hash": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/octet-stream": unknown } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/block/{hash}/downloads": {
    get: {
      parameters: {
        query?: never;
        path: { "hash": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "block_hash": string; "downloads_count": number; "block_size": number } } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/blocks": {
    get: {
      parameters: {
        query?: { "page"?: number; "per_page"?: number };
        path?: never;
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "blocks": (string)[]; "total": number; "page": number; "per_page": number } } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/blocks/{hash}": {
    get: {
      parameters: {
        query?: never;
        path: { "hash": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "blocks": ([string, number])[] } } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/chunks/batch": {
    post: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      requestBody: { content: { "application/json": { "ids": (string)[] } } };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/vnd.g8ufs.chunks": unknown } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/chunks/missing": {
    post: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      requestBody: { content: { "application/json": { "ids": (string)[] } } };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "missing": (string)[] } } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/chunks/upload": {
    post: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      requestBody: { content: { "application/vnd.g8ufs.chunks": unknown } };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "results": ({ "id": string; "status": "new" | "known" | "mismatch" | "error" })[] } } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/chunks/{id}": {
    get: {
      parameters: {
        query?: never;
        path: { "id": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/octet-stream": unknown } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
    put: {
      parameters: {
        query?: never;
        path: { "id": string };
        header?: never;
        cookie?: never;
      };
      requestBody: { content: { "application/octet-stream": unknown } };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "id": string; "status": "new" | "known" } } };
        201: { headers: { [name: string]: unknown }; content: { "application/json": { "id": string; "status": "new" | "known" } } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/collect/check": {
    post: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      requestBody: { content: { "application/json": { "repairFrom"?: string } } };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/x-ndjson": unknown } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/collect/gc": {
    post: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      requestBody: { content: { "application/json": { "graceMs"?: number; "dryRun"?: boolean } } };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/x-ndjson": unknown } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/collect/stats": {
    post: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      requestBody: { content: { "application/json": { [name: string]: unknown } } };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/x-ndjson": unknown } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/file": {
    post: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      requestBody: { content: { "application/octet-stream": unknown } };
      responses: {
        201: { headers: { [name: string]: unknown }; content: { "application/json": { "file_hash": string; "message": string } } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/file/{hash}": {
    get: {
      parameters: {
        query?: { "file_name"?: string };
        path: { "hash": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/octet-stream": unknown } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/fl": {
    get: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { [name: string]: ({ "name": string; "path_uri": string; "is_file": boolean; "size": number; "last_modified": number; "progress": number })[] } } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
    post: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      requestBody: { content: { "application/json": { "image_name": string; "username"?: string; "password"?: string; "auth"?: string; "email"?: string; "server_address"?: string; "identity_token"?: string; "registry_token"?: string } } };
      responses: {
        201: { headers: { [name: string]: unknown }; content: { "application/json": { "id": string } } };
        409: { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/fl/preview/{path}": {
    get: {
      parameters: {
        query?: never;
        path: { "path": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "content": (string)[]; "metadata": string; "checksum": string } } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/fl/{job}": {
    get: {
      parameters: {
        query?: never;
        path: { "job": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "flist_state": ({ "Accepted": string }) | ({ "Started": string }) | ({ "InProgress": { "msg": string; "progress": number } }) | ({ "Created": string }) } } };
        500: { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/flists": {
    get: {
      parameters: {
        query?: { "after"?: string; "q"?: string };
        path?: never;
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "flists": ({ "repository": string; "name": string; "size": number; "updated": string })[]; "next"?: string } } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/flists/{repository}/{name}": {
    post: {
      parameters: {
        query?: never;
        path: { "repository": string; "name": string };
        header?: never;
        cookie?: never;
      };
      requestBody: { content: { "application/json": ({ "pieces": (string)[]; "size": number }) | ({ "from": string }) } };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "repository": string; "name": string; "size": number; "md5": string; "digest": string } } };
        201: { headers: { [name: string]: unknown }; content: { "application/json": { "repository": string; "name": string; "size": number; "md5": string; "digest": string } } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
    put: {
      parameters: {
        query?: never;
        path: { "repository": string; "name": string };
        header?: never;
        cookie?: never;
      };
      requestBody: { content: { "application/octet-stream": unknown } };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "repository": string; "name": string; "size": number; "md5": string; "digest": string } } };
        201: { headers: { [name: string]: unknown }; content: { "application/json": { "repository": string; "name": string; "size": number; "md5": string; "digest": string } } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
    delete: {
      parameters: {
        query?: never;
        path: { "repository": string; "name": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        204: { headers: { [name: string]: unknown }; content?: never };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/flists/{repository}/{name}/profile": {
    put: {
      parameters: {
        query?: never;
        path: { "repository": string; "name": string };
        header?: never;
        cookie?: never;
      };
      requestBody: { content: { "text/plain": unknown } };
      responses: {
        204: { headers: { [name: string]: unknown }; content?: never };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/flists/{repository}/{name}/signature": {
    put: {
      parameters: {
        query?: never;
        path: { "repository": string; "name": string };
        header?: never;
        cookie?: never;
      };
      requestBody: { content: { "text/plain": unknown } };
      responses: {
        204: { headers: { [name: string]: unknown }; content?: never };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/repositories": {
    get: {
      parameters: {
        query?: { "after"?: string };
        path?: never;
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "repositories": ({ "name": string; "owner"?: string; "visibility": "public" | "private"; "official": boolean; "created": string; "members"?: ({ "user": string; "right": "read" | "publish" })[] })[]; "next"?: string } } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
    post: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      requestBody: { content: { "application/json": { "name": string; "visibility"?: "public" | "private" } } };
      responses: {
        201: { headers: { [name: string]: unknown }; content: { "application/json": { "name": string; "owner"?: string; "visibility": "public" | "private"; "official": boolean; "created": string; "members"?: ({ "user": string; "right": "read" | "publish" })[] } } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/repositories/{repository}": {
    get: {
      parameters: {
        query?: never;
        path: { "repository": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "name": string; "owner"?: string; "visibility": "public" | "private"; "official": boolean; "created": string; "members"?: ({ "user": string; "right": "read" | "publish" })[] } } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
    patch: {
      parameters: {
        query?: never;
        path: { "repository": string };
        header?: never;
        cookie?: never;
      };
      requestBody: { content: { "application/json": { "visibility"?: "public" | "private"; "owner"?: string; "official"?: boolean } } };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "name": string; "owner"?: string; "visibility": "public" | "private"; "official": boolean; "created": string; "members"?: ({ "user": string; "right": "read" | "publish" })[] } } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/repositories/{repository}/members/{user}": {
    put: {
      parameters: {
        query?: never;
        path: { "repository": string; "user": string };
        header?: never;
        cookie?: never;
      };
      requestBody: { content: { "application/json": { "right": "read" | "publish" } } };
      responses: {
        204: { headers: { [name: string]: unknown }; content?: never };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
    delete: {
      parameters: {
        query?: never;
        path: { "repository": string; "user": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        204: { headers: { [name: string]: unknown }; content?: never };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/signin": {
    post: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      requestBody: { content: { "application/json": { "username": string; "password": string; "scope"?: "read" | "publish" | "admin" } } };
      responses: {
        201: { headers: { [name: string]: unknown }; content: { "application/json": { "access_token": string } } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/tags/{repository}/{tag}/{name}": {
    put: {
      parameters: {
        query?: never;
        path: { "repository": string; "tag": string; "name": string };
        header?: never;
        cookie?: never;
      };
      requestBody: { content: { "application/json": { "from": string } } };
      responses: {
        204: { headers: { [name: string]: unknown }; content?: never };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
    delete: {
      parameters: {
        query?: never;
        path: { "repository": string; "tag": string; "name": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        204: { headers: { [name: string]: unknown }; content?: never };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/tokens": {
    get: {
      parameters: {
        query?: { "user"?: string };
        path?: never;
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "tokens": ({ "id": string; "user": string; "scope": "read" | "publish" | "admin"; "note": string; "created": string; "expires"?: string; "used"?: string })[] } } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
    post: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      requestBody: { content: { "application/json": { "scope": "read" | "publish" | "admin"; "note"?: string; "days"?: number; "user"?: string } } };
      responses: {
        201: { headers: { [name: string]: unknown }; content: { "application/json": { "id": string; "user": string; "scope": "read" | "publish" | "admin"; "note": string; "created": string; "expires"?: string; "used"?: string; "token": string } } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/tokens/{token}": {
    delete: {
      parameters: {
        query?: never;
        path: { "token": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        204: { headers: { [name: string]: unknown }; content?: never };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/user": {
    get: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "name": string; "role": string; "scope": string } } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/user/blocks": {
    get: {
      parameters: {
        query?: { "page"?: number; "per_page"?: number };
        path?: never;
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "blocks": ([string, number])[]; "total": number; "all_blocks": number } } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/users": {
    get: {
      parameters: {
        query?: { "after"?: string };
        path?: never;
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "users": ({ "name": string; "role": "user" | "admin"; "disabled": boolean; "hasPassword": boolean; "quota"?: number; "used": number; "created": string })[]; "next"?: string } } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
    post: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      requestBody: { content: { "application/json": { "name": string; "role"?: "user" | "admin"; "password"?: string; "quota"?: number } } };
      responses: {
        201: { headers: { [name: string]: unknown }; content: { "application/json": { "name": string; "role": "user" | "admin"; "disabled": boolean; "hasPassword": boolean; "quota"?: number; "used": number; "created": string } } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/api/v1/users/{user}": {
    get: {
      parameters: {
        query?: never;
        path: { "user": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "name": string; "role": "user" | "admin"; "disabled": boolean; "hasPassword": boolean; "quota"?: number; "used": number; "created": string } } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
    patch: {
      parameters: {
        query?: never;
        path: { "user": string };
        header?: never;
        cookie?: never;
      };
      requestBody: { content: { "application/json": { "role"?: "user" | "admin"; "password"?: (string) | (null); "quota"?: (number) | (null); "disabled"?: boolean; "used"?: number } } };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "name": string; "role": "user" | "admin"; "disabled": boolean; "hasPassword": boolean; "quota"?: number; "used": number; "created": string } } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/chunks/{prefix}/{id}": {
    get: {
      parameters: {
        query?: never;
        path: { "prefix": string; "id": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/octet-stream": unknown } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/docker-convert": {
    post: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      requestBody: { content: { "application/x-www-form-urlencoded": { "docker-input": string } } };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "text/html": unknown } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
  };
  "/health": {
    get: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "status": string } } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/listen/{job}": {
    get: {
      parameters: {
        query?: never;
        path: { "job": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "text/event-stream": unknown } };
        404: { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
  };
  "/merge": {
    post: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      requestBody: { content: { "application/x-www-form-urlencoded": { "flists[]": (string)[]; "name": string } } };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "text/html": unknown } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
  };
  "/ready": {
    get: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "status": string } } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/swagger-ui": {
    get: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "text/html": unknown } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/upload": {
    post: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      requestBody: { content: { "multipart/form-data": { "file": string } } };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { "status": "success"; "jobid": string } } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
  };
  "/upload-flist": {
    post: {
      parameters: {
        query?: never;
        path?: never;
        header?: never;
        cookie?: never;
      };
      requestBody: { content: { "multipart/form-data": { "file": string } } };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "text/html": unknown } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/json": components['schemas']['Failure'] } };
      };
    };
  };
  "/website/{hash}": {
    get: {
      parameters: {
        query?: never;
        path: { "hash": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "*/*": unknown } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/website/{hash}/{path}": {
    get: {
      parameters: {
        query?: never;
        path: { "hash": string; "path": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "*/*": unknown } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/{repository}/tags/{tag}/{file}": {
    get: {
      parameters: {
        query?: never;
        path: { "repository": string; "tag": string; "file": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/octet-stream": unknown } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
  "/{repository}/{file}": {
    get: {
      parameters: {
        query?: never;
        path: { "repository": string; "file": string };
        header?: never;
        cookie?: never;
      };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/octet-stream": unknown } };
        "4XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
        "5XX": { headers: { [name: string]: unknown }; content: { "application/problem+json": components['schemas']['Problem'] } };
      };
    };
  };
}

export interface components {
  schemas: {
    Contents: { "content": ({ "size": number; "path": string })[]; "regular": number; "symlink": number; "directory": number; "special": number; "failure": number; "fullsize": number };
    Done: { "status": "success" };
    Failure: { "status": "error"; "message": string };
    FlistInfo: { "name": string; "size": number; "updated": number; "type": "regular" | "symlink"; "linktime"?: number; "target"?: string; "md5": string };
    ListedItem: { "name": string; "size": string; "updated": number; "linktime"?: number; "type": "regular" | "symlink" | "taglink" | "tag"; "target"?: string };
    Problem: { "type": string; "title": string; "status": number; "detail": string; "requestId"?: string };
    Settings: { [name: string]: unknown };
    Statistics: { "regular": number; "symlink": number; "directory": number; "special": number; "failure": number; "fullsize": number };
  };
}

<%@ page contentType="text/html; charset=UTF-8" pageEncoding="UTF-8" %>
<h1>안내 페이지</h1>
<p><%= application.getServerInfo() %></p>
